// Reads a folder of refkan's cases and writes results: node cases.mjs FOLDER RESULTS
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

export function readCases(folder) {
  const lines = (name) => readFileSync(`${folder}/${name}`, "ascii").split("\n").filter(Boolean);
  for (const line of lines("SHA256SUMS")) {
    const [sum, name] = line.split("  ");
    const found = createHash("sha256").update(readFileSync(`${folder}/${name}`)).digest("hex");
    if (found !== sum) throw new Error(`${name} was altered`);
  }
  const bytes = readFileSync(`${folder}/arrays.f64`);
  const numbers = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const arrays = new Map(lines("arrays.txt").map((line) => {
    const [name, offset, , ...shape] = line.split(" ");
    const size = shape.reduce((product, side) => product * Number(side), 1);
    return [name, { shape: shape.map(Number), data: numbers.subarray(Number(offset), Number(offset) + size) }];
  }));
  const cases = lines("cases.txt").map((line) => {
    const [key, quantity, dtype, layers, order, knots, outside] = line.split(" ");
    const setting = key.slice(0, -quantity.length - 1);
    return { key, quantity, dtype, setting, layers: Number(layers), order: Number(order), knots, outside };
  });
  return { arrays, cases };
}

const { arrays, cases } = readCases(process.argv[2]);
const index = [], results = [];
let offset = 0;
for (const { key } of cases) {
  const { shape, data } = arrays.get(`${key}/expected`); // in place of these the results of your layer
  index.push([key, offset, shape.length, ...shape].join(" "));
  results.push(...data);
  offset += data.length;
}
mkdirSync(process.argv[3], { recursive: true });
writeFileSync(`${process.argv[3]}/arrays.txt`, index.join("\n") + "\n");
writeFileSync(`${process.argv[3]}/arrays.f64`, Buffer.from(Float64Array.from(results).buffer));
