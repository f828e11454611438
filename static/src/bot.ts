// The bot's form: the colour as a picker, a number and five to begin with, what text on it reads like, and the preview's width.

export function startBot(): void {
  const picker = document.querySelector<HTMLInputElement>("#brand");
  const hex = document.querySelector<HTMLInputElement>("#brand-hex");
  if (!picker || !hex) return;
  const choose = (colour: string) => {
    picker.value = hex.value = colour;
    document.querySelector("[data-contrast]")!.textContent = contrast(colour);
  };
  picker.addEventListener("input", () => choose(picker.value));
  hex.addEventListener("change", () => {
    const typed = hex.value.trim().toLowerCase().replace(/^#?/, "#").replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3");
    choose(/^#[0-9a-f]{6}$/.test(typed) ? typed : picker.value);
  });
  document.querySelectorAll<HTMLElement>("[data-brand]").forEach((preset) => {
    preset.addEventListener("click", () => choose(preset.dataset.brand!));
  });
  const widths = document.querySelectorAll<HTMLElement>("[data-preview]");
  widths.forEach((button) => {
    button.addEventListener("click", () => {
      widths.forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
      document.getElementById("preview")!.dataset.as = button.dataset.preview;
    });
  });
}

/** The sentence the server would write: white or dark text, and its contrast (WCAG 2.2, relative luminance). */
function contrast(colour: string): string {
  const n = parseInt(colour.slice(1), 16);
  const linear = (c: number) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = 0.2126 * linear(n >> 16) + 0.7152 * linear((n >> 8) & 255) + 0.0722 * linear(n & 255);
  const [white, dark] = [1.05 / (light + 0.05), (light + 0.05) / 0.0569];
  return white >= 4.5 || white >= dark ? `White text on it reads well, ${white.toFixed(1)} to 1.` : `Dark text on it reads well, ${dark.toFixed(1)} to 1.`;
}
