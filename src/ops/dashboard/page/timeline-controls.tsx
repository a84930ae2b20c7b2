import { pan, SPANS, type Viewport, zoom } from './viewport.ts';
import { span as spanWords } from './words.ts';

/** The buttons of the timeline: all that the pointer can do, for the keyboard too. */
export function TimelineControls(props: {
  view: Viewport;
  now: number;
  asTable: boolean;
  onView: (view: Viewport) => void;
  onTable: (asTable: boolean) => void;
}) {
  const { view, now, asTable, onView, onTable } = props;
  const middle = view.end === null ? now : view.end - view.span / 2;
  const isListed = SPANS.some(([, ms]) => ms === view.span);
  const button = (label: string, sign: string, next: Viewport) => (
    <button type="button" aria-label={label} title={label} onClick={() => onView(next)}>
      {sign}
    </button>
  );
  return (
    <fieldset class="choice" aria-label="Timeline view">
      {button('Earlier', '←', pan(view, -view.span / 2, now))}
      {button('Later', '→', pan(view, view.span / 2, now))}
      {button('Zoom in', '+', zoom(view, 0.5, middle, now))}
      {button('Zoom out', '−', zoom(view, 2, middle, now))}
      <select
        aria-label="Time range"
        value={String(view.span)}
        onChange={({ currentTarget }) => onView(zoom(view, Number(currentTarget.value) / view.span, middle, now))}
      >
        {!isListed && <option value={view.span}>{spanWords(view.span)}</option>}
        {SPANS.map(([label, ms]) => (
          <option key={ms} value={ms}>
            {label}
          </option>
        ))}
      </select>
      {view.end === null ? (
        <button type="button" onClick={() => onView({ ...view, end: now })}>
          Pause
        </button>
      ) : (
        <button type="button" class="primary" onClick={() => onView({ ...view, end: null })}>
          Jump to now
        </button>
      )}
      <button type="button" aria-pressed={asTable} onClick={() => onTable(!asTable)}>
        Table
      </button>
    </fieldset>
  );
}
