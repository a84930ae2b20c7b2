const STORED = 'clawmesh-theme';

/** Applies the theme that was chosen in this browser; without one, that of the system. */
export function applyTheme(): void {
  const theme = localStorage.getItem(STORED);
  if (theme) document.documentElement.dataset.theme = theme;
}

/** Switches between light and dark, and remembers the choice. */
export function switchTheme(): void {
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = isDark ? 'light' : 'dark';
  localStorage.setItem(STORED, root.dataset.theme);
}
