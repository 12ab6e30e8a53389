// Drives a server from the .proto files alone: a training and a visualization, as a program in another language would.
//
//   node drive.mjs ADDRESS FOLDER
//
// The folder holds the .proto files of the contract. Prints what it saw, as JSON.

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const FILES = ["server", "jobs", "images", "models"].map((name) => `convscope/v1/${name}.proto`);

// Milliseconds that any one call may take.
const PATIENCE = 100_000;

const [address, folder] = process.argv.slice(2);
const definition = protoLoader.loadSync(FILES, { includeDirs: [folder], keepCase: true, longs: Number, enums: String, oneofs: true });
const contract = grpc.loadPackageDefinition(definition).convscope.v1;

const clients = {};
for (const service of ["Server", "Jobs", "Images", "Models"]) {
  clients[service] = new contract[service](address, grpc.credentials.createInsecure());
}

const deadline = () => ({ deadline: Date.now() + PATIENCE });

function call(service, method, request) {
  return new Promise((resolve, reject) => {
    clients[service][method](request, deadline(), (error, response) => (error ? reject(error) : resolve(response)));
  });
}

async function read(service, method, request) {
  const responses = [];
  for await (const response of clients[service][method](request, deadline())) responses.push(response);
  return responses;
}

async function run(spec, labels) {
  const request = { job: { spec, labels, display_name: "from Node" }, request_id: `node-${Object.keys(spec)[0]}` };
  const estimated = await call("Jobs", "CreateJob", { ...request, validate_only: true });
  const created = await call("Jobs", "CreateJob", request);
  const repeated = await call("Jobs", "CreateJob", request);
  const events = (await read("Jobs", "WatchJob", { name: created.name })).filter((event) => event.event !== "bookmark");
  const job = await call("Jobs", "GetJob", { name: created.name });
  return { estimated, created, repeated, events, job };
}

function summary({ estimated, created, repeated, events, job }) {
  return {
    name: job.name,
    same: created.name === repeated.name,
    estimated_name: estimated.name ?? "",
    part_count: (estimated.estimate ?? job.estimate).part_count,
    labels: job.labels,
    state: job.state,
    outcome: job.outcome,
    result: job.result[job.result.kind],
    effective: job.effective_spec[job.effective_spec.kind],
    sequences: events.map((event) => event.sequence),
    kinds: events.map((event) => event.event),
  };
}

async function refused() {
  const spec = { train: { batch_size: 0, network: { convolutions: [{ filters: 0 }] } } };
  try {
    await call("Jobs", "CreateJob", { job: { spec } });
  } catch (error) {
    return { code: error.code, details: error.details };
  }
  return {};
}

const info = await call("Server", "GetServerInfo", {});
const training = await run({ train: { iterations: 3, report_interval: 1, seed: 7, adam: { learning_rate: 0.001 } } }, { by: "node" });
const model = training.job.model;
const reports = await call("Models", "ListTrainReports", { parent: model });
const selections = [{ name: "conv1", list: { indices: [1, 0] } }, { name: "logits", range: { start: 0, stop: 1 } }];
const showing = await run({ visualize: { model, selections, iterations: 2 } }, {});
const images = await call("Images", "ListImages", { parent: showing.job.name, filter: { layers: ["conv1"] } });
const image = await call("Images", "GetImage", { name: images.images[1].name, image_format: "IMAGE_FORMAT_PNG" });

console.log(
  JSON.stringify({
    contract: info.contract,
    training: summary(training),
    losses: reports.reports.map((report) => report.loss),
    showing: summary(showing),
    images: images.images.map(({ name, subject, feature, best }) => ({
      name, subject, feature, shape: best.pixels.shape, bytes: best.pixels.data.length, objective: best.objective,
    })),
    png: { name: image.name, magic: image.png.subarray(1, 4).toString("latin1"), pixels: Boolean(image.best.pixels) },
    refused: await refused(),
  }),
);
for (const client of Object.values(clients)) client.close();
