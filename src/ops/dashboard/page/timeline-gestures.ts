import { useMemo, useRef, useState } from 'preact/hooks';
import { type Scale, timeOf } from './layout.ts';
import { open } from './open.ts';
import { taskLink } from './route.ts';
import type { PlacedBar } from './run-store.ts';
import { pan, select, type Viewport, zoom } from './viewport.ts';

/** A movement shorter than this is a click, px. */
const CLICK = 4;
/** The view of a wheel takes effect when the wheel has rested for this long, ms. */
const REST_MS = 120;
/** A range narrower than this is a slip, px. */
const NARROWEST_RANGE = 6;
const WHEEL_LINE = 16;

interface GestureOptions {
  readonly view: Viewport;
  readonly draw: (view: Viewport) => void;
  readonly scaleOf: (view: Viewport) => Scale;
  /** Redis time, ms. */
  readonly now: () => number;
  readonly onView: (view: Viewport) => void;
  /** The bars at this place of the lanes. */
  readonly barsAt: (x: number, y: number, view: Viewport) => PlacedBar[];
  readonly onHover: (bars: readonly PlacedBar[]) => void;
}

interface Drag {
  readonly x: number;
  readonly view: Viewport;
  readonly selects: boolean;
  hasMoved: boolean;
}

type Pointer = PointerEvent & { currentTarget: HTMLElement };

/**
 * What the pointer does: a drag of the lanes moves the view, a drag of the axis (or with Shift) selects a period, a
 * click opens a task, and a wheel moves sideways or, with Ctrl or ⌘, zooms. Meanwhile only the picture changes; the page
 * takes over the view at the end.
 */
export function useGestures(options: GestureOptions) {
  const [range, setRange] = useState<{ x: number; width: number }>();
  const latest = useRef(options);
  latest.current = options;
  const handlers = useMemo(() => gestureHandlers(latest, setRange), []);
  handlers.adopt();
  return useMemo(() => ({ ...handlers, range }), [handlers, range]);
}

function gestureHandlers(
  latest: { readonly current: GestureOptions },
  setRange: (range: { x: number; width: number } | undefined) => void,
) {
  let drag: Drag | undefined;
  /** The view while it moves. */
  let moving: Viewport | undefined;
  let frame: number | undefined;
  let rest: ReturnType<typeof setTimeout> | undefined;

  const shown = () => moving ?? latest.current.view;
  const redraw = () => {
    if (frame !== undefined) return;
    frame = requestAnimationFrame(() => {
      frame = undefined;
      latest.current.draw(shown());
    });
  };
  const move = (view: Viewport) => {
    moving = view;
    redraw();
  };
  const settle = () => {
    rest = undefined;
    if (moving) latest.current.onView(moving);
  };
  /** The page has the view of the last movement, or a newer one. */
  const adopt = () => {
    if (!drag && rest === undefined) moving = undefined;
  };
  const placeOf = (event: MouseEvent & { currentTarget: HTMLElement }) => {
    const box = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top + event.currentTarget.scrollTop };
  };

  const begin = (event: Pointer, selects: boolean) => {
    const { x } = placeOf(event);
    if (event.button !== 0 || x < latest.current.scaleOf(shown()).left) return;
    drag = { x, view: shown(), selects, hasMoved: false };
  };
  const drive = (event: Pointer) => {
    const { x, y } = placeOf(event);
    if (!drag) return latest.current.onHover(latest.current.barsAt(x, y, shown()));
    if (!drag.hasMoved && Math.abs(x - drag.x) < CLICK) return;
    if (!drag.hasMoved) {
      // From now on, the click belongs to the drag, also outside the lanes.
      event.currentTarget.setPointerCapture(event.pointerId);
      latest.current.onHover([]);
    }
    drag.hasMoved = true;
    if (drag.selects) return setRange({ x: Math.min(x, drag.x), width: Math.abs(x - drag.x) });
    const { left, right } = latest.current.scaleOf(drag.view);
    move(pan(drag.view, ((drag.x - x) * drag.view.span) / (right - left), latest.current.now()));
  };
  const finish = (event: Pointer) => {
    const done = drag;
    drag = undefined;
    setRange(undefined);
    if (!done) return;
    const { x, y } = placeOf(event);
    if (!done.hasMoved) return done.selects ? undefined : click(x, y);
    if (!done.selects) return settle();
    if (Math.abs(x - done.x) < NARROWEST_RANGE) return;
    const scale = latest.current.scaleOf(done.view);
    const [from, to] = [Math.min(x, done.x), Math.max(x, done.x)];
    latest.current.onView(select(timeOf(scale, Math.max(from, scale.left)), timeOf(scale, to), latest.current.now()));
  };
  const abandon = () => {
    drag = undefined;
    moving = undefined;
    setRange(undefined);
    redraw();
  };
  const click = (x: number, y: number) => {
    const { barsAt, scaleOf, onView, view, now } = latest.current;
    const bars = barsAt(x, y, view);
    if (bars.length > 1) onView(zoom(view, 0.1, timeOf(scaleOf(view), x), now()));
    else if (bars[0]) open(taskLink(bars[0].task.id));
  };
  const onWheel = (event: WheelEvent) => {
    const { scaleOf, now } = latest.current;
    const scale = scaleOf(shown());
    const zooms = event.ctrlKey || event.metaKey;
    const sideways = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
    if (!zooms && Math.abs(sideways) <= Math.abs(event.shiftKey ? 0 : event.deltaY)) return;
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : WHEEL_LINE;
    if (zooms) {
      const x = event.clientX - (event.currentTarget as HTMLElement).getBoundingClientRect().left;
      move(zoom(shown(), Math.exp((event.deltaY * unit) / 300), timeOf(scale, Math.max(scale.left, x)), now()));
    } else {
      move(pan(shown(), (sideways * unit * shown().span) / (scale.right - scale.left), now()));
    }
    clearTimeout(rest);
    rest = setTimeout(settle, REST_MS);
  };
  const common = {
    onPointerMove: drive,
    onPointerUp: finish,
    onPointerCancel: abandon,
    onPointerLeave: () => {
      if (!drag) latest.current.onHover([]);
    },
  };
  return {
    adopt,
    redraw,
    onWheel,
    onLanes: { ...common, onPointerDown: (event: Pointer) => begin(event, event.shiftKey) },
    onAxis: {
      ...common,
      onPointerMove: (event: Pointer) => drag && drive(event),
      onPointerDown: (event: Pointer) => begin(event, true),
    },
  };
}
