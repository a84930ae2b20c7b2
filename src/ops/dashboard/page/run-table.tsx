import { moment } from './axis.ts';
import { taskLink } from './route.ts';
import type { PlacedBar } from './run-store.ts';
import { END_WORDS, handoverWords } from './run-words.ts';
import { short, span } from './words.ts';

/** More rows help no one: the view can be made shorter. */
const MOST_ROWS = 200;

/** The runs of the timeline as text, the latest start first. */
export function RunTable({ bars, now }: { bars: readonly PlacedBar[]; now: number }) {
  if (bars.length === 0) return <p class="empty">No run in this period.</p>;
  const shown = [...bars].sort((a, b) => b.from - a.from).slice(0, MOST_ROWS);
  return (
    <div class="scroll">
      <table class="runs">
        {bars.length > MOST_ROWS && (
          <caption>
            The last {MOST_ROWS} of {bars.length.toLocaleString('en')} runs; choose a shorter period for others
          </caption>
        )}
        <thead>
          <tr>
            {['Task', 'Node', 'Attempt', 'From', 'For', 'Outcome', 'Handover'].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((bar) => (
            <tr key={`${bar.task.pool} ${bar.task.id} ${bar.index}`} data-end={bar.end}>
              <td>
                <a href={taskLink(bar.task.id)} title={bar.task.id}>
                  <code>{short(bar.task.id)}</code>
                </a>
              </td>
              <td>{bar.node}</td>
              <td>{bar.attempt}</td>
              <td>{moment(bar.from, now)}</td>
              <td>{span((bar.to ?? now) - bar.from)}</td>
              <td>{END_WORDS[bar.end]}</td>
              <td>{handoverWords(bar)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
