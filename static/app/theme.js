// Light, dark, or what the system says. The style sheet does the rest with `light-dark()`.

const THEMES = ["auto", "light", "dark"];
export const nextTheme = (theme) => THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];

export function applyTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
