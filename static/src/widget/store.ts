// What a browser remembers of one bot. Storage may be forbidden (private windows, sandboxed frames); then it lasts as long as the page.

/** token, fresh: kept by the browser. open, draft, sent: kept by the tab. */
export type Key = "token" | "fresh" | "open" | "draft" | "sent";

export interface Store {
  get(key: Key): string | null;
  set(key: Key, value: string | null): void;
}

export function openStore(bot: string): Store {
  const memory: { [key: string]: string | null } = Object.create(null);
  const area = (key: Key) => (key === "token" || key === "fresh" ? localStorage : sessionStorage);
  const name = (key: Key) => `bitb:${bot}:${key}`;
  return {
    get(key) {
      try {
        return area(key).getItem(name(key));
      } catch {
        return memory[key] ?? null;
      }
    },
    set(key, value) {
      memory[key] = value;
      try {
        if (value === null) area(key).removeItem(name(key));
        else area(key).setItem(name(key), value);
      } catch {
        // kept in memory
      }
    },
  };
}
