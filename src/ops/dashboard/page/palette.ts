import type { BarEnd } from '../timeline.ts';

const NAMES = [
  'running',
  'completed',
  'failed',
  'failed-text',
  'cancelled',
  'handover',
  'arrow',
  'ink',
  'dim',
  'line',
  'soft',
  'accent',
  'hatch',
  'panel',
] as const;

/** The colours of the page as a canvas knows them. */
export type Palette = Readonly<Record<(typeof NAMES)[number], string>>;

/** The variable of each kind of bar. */
export const BAR_COLORS: Readonly<Record<BarEnd, keyof Palette>> = {
  claimed: 'running',
  completed: 'completed',
  failed: 'failed',
  retry: 'failed',
  cancelled: 'cancelled',
  handover: 'handover',
};

/** Reads the colours of the style sheet, as they are in the current theme. */
export function readPalette(inside: Element): Palette {
  const probe = document.createElement('i');
  inside.append(probe);
  const colors = NAMES.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color] as const;
  });
  probe.remove();
  return Object.fromEntries(colors) as Palette;
}

/** Calls back whenever the theme changes. @returns a function that ends this. */
export function watchTheme(changed: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const observer = new MutationObserver(changed);
  system.addEventListener('change', changed);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => {
    system.removeEventListener('change', changed);
    observer.disconnect();
  };
}
