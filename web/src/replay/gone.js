/**
 * Take off the list what was taken away while a replay is on: comments by id, users' comments up to a time. Pure.
 *
 * @param {import("../model.js").Model} model
 * @param {{ids?: string[], users?: Record<string, number>}} taken  times: ms since 1970
 * @returns {import("../model.js").Model}
 */
export function gone(model, { ids = [], users = {} }) {
  const deleted = new Set(ids);
  const hidden = ({ id, user, at }) => deleted.has(id) || (Object.hasOwn(users, user.id) && at <= users[user.id]);
  return {
    ...model,
    rows: model.rows.filter((row) => row.kind !== "comment" || !hidden(row)),
    pinned: model.pinned && hidden(model.pinned) ? null : model.pinned,
  };
}
