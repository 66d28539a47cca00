// Renders and validates one form with @rjsf/core on the server; prints medians in milliseconds as JSON.
import { readFileSync } from "node:fs";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import Form from "@rjsf/core";
import { customizeValidator } from "@rjsf/validator-ajv8";
import Ajv2020 from "ajv/dist/2020.js";

const { schema, values, rounds } = JSON.parse(readFileSync(0, "utf8"));
const validator = customizeValidator({ AjvClass: Ajv2020.default ?? Ajv2020 });
const median = (times) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)];

function measure(work) {
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const begun = performance.now();
    work(values[round % values.length]);
    times.push(performance.now() - begun);
  }
  return { first: times[0], median: median(times.slice(1)) };
}

let markup = "";
const rendered = measure((formData) => {
  markup = renderToStaticMarkup(createElement(Form.default ?? Form, { schema, formData, validator }));
});
let errors = [];
const validated = measure((formData) => { errors = validator.validateFormData(formData, schema).errors; });
console.log(JSON.stringify({ rendered, validated, fields: markup.match(/<(input|select|textarea)/g).length, errors: errors.length }));
