/** A stream's settings as a form: fields, and what changed. Pure. */

/** @typedef {{name: string, label: string, kind: "number" | "flag" | "choice" | "users" | "text", hint?: string,
 *             max?: number, choices?: string[]}} Field */

/** @type {Field[]} */
export const FIELDS = [
  { name: "slow_mode_seconds", label: "Slow mode, seconds", kind: "number", max: 86_400, hint: "0: off" },
  { name: "members_only", label: "Members only", kind: "flag" },
  { name: "emote_only", label: "Emotes only", kind: "flag" },
  { name: "review", label: "Hold every comment for review", kind: "flag" },
  { name: "links", label: "Links", kind: "choice", choices: ["allow", "hold", "reject"] },
  { name: "capitals_percent_max", label: "Capitals, % at most", kind: "number", max: 100, hint: "0: any" },
  { name: "chars_max", label: "Characters at most", kind: "number", max: 4_000, hint: "0: the platform's limit" },
  { name: "flood_comments", label: "Comments of one viewer …", kind: "number", max: 100, hint: "0: any" },
  { name: "flood_seconds", label: "… in so many seconds", kind: "number", max: 3_600 },
  { name: "repeat_seconds", label: "Same text again after, seconds", kind: "number", max: 3_600, hint: "0: at once" },
  { name: "title", label: "Title", kind: "text" },
  { name: "moderators", label: "Moderators, a user id a line", kind: "users" },
  { name: "members", label: "Members, a user id a line", kind: "users" },
];

/** What a field holds now. @param {{title: string | null, moderators: string[], settings: object}} found */
export function valueOf(found, { name, kind }) {
  const value = name === "title" ? found.title : name === "moderators" ? found.moderators : found.settings[name];
  switch (kind) {
    case "number": return value ?? 0;
    case "flag": return value ?? false;
    case "choice": return value ?? "allow";
    case "users": return value ?? [];
    default: return value ?? "";
  }
}

/** Lines of a text, without empty ones. @param {string} text */
export function lines(text) {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

/**
 * The settings that the form says otherwise.
 *
 * @param {{title: string | null, moderators: string[], settings: object}} found
 * @param {(name: string) => {value: string, checked: boolean}} input
 */
export function changed(found, input) {
  const result = {};
  for (const field of FIELDS) {
    const { value, checked } = input(field.name);
    const given = { number: () => Number(value), flag: () => checked, users: () => lines(value) }[field.kind]?.() ?? value;
    if (JSON.stringify(given) !== JSON.stringify(valueOf(found, field))) result[field.name] = given;
  }
  return result;
}
