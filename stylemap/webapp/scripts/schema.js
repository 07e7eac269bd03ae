/** Checks what a file says of an edit against the JSON Schema that `stylemap.schema` writes: a file may come from a stranger. */

import { Refusal } from "./refusal.js";

const TYPES = {
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: (value) => Number.isFinite(value),
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
};

/** @throws {Refusal} where and what is wrong */
export function check(value, schema, path) {
  if (schema.anyOf) {
    const fitting = schema.anyOf.find(({ type }) => TYPES[type](value));
    if (!fitting) refuse(path, "is of another type");
    return check(value, fitting, path);
  }
  if (schema.enum) return schema.enum.includes(value) || refuse(path, `must be one of ${schema.enum.join(", ")}`);
  if (!TYPES[schema.type](value)) refuse(path, `must be of type ${schema.type}`);
  if (value < schema.minimum || value > schema.maximum) refuse(path, `must lie in ${schema.minimum} to ${schema.maximum}`);
  const { length } = schema.type === "object" ? {} : (value ?? {});
  const most = schema.maxItems ?? schema.maxLength ?? Infinity;
  if (length < (schema.minItems ?? 0) || length > most) refuse(path, `must have ${most} entries at most`);
  if (schema.type === "array") value.forEach((item, i) => check(item, schema.items, `${path}.${i}`));
  if (schema.type !== "object") return true;
  for (const name of schema.required) if (!(name in value)) refuse(`${path}.${name}`, "is missing");
  for (const [name, inner] of Object.entries(value)) {
    if (!(name in schema.properties)) refuse(`${path}.${name}`, "is not known here");
    check(inner, schema.properties[name], `${path}.${name}`);
  }
  return true;
}

function refuse(path, what) {
  throw new Refusal(422, `the project cannot be used: ${path} ${what}`);
}
