// Requests to the server; a refusal is an ApiError with the server's own line.

import { h, $ } from "./dom.js";

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.error || `the server answered ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

async function checked(response) {
  if (response.ok) return response;
  let problem = {};
  try { problem = await response.json(); } catch { problem = { error: `the server answered ${response.status}` }; }
  if (response.status === 401) await login(problem.error);
  throw new ApiError(response.status, problem);
}

async function request(path, options) {
  try {
    return await checked(await fetch(path, options));
  } catch (error) {
    if (error instanceof ApiError || error.name === "AbortError") throw error;
    throw new ApiError(0, { error: "the page's server does not answer; is marketprism still running?" });
  }
}

/** GET /api/… with parameters; empty ones are left out. */
export async function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const tail = query.size ? `?${query}` : "";
  return (await request(`/api/${path}${tail}`, { signal })).json();
}

export async function post(path, body, signal = undefined) {
  return request(`/api/${path}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
  });
}

let asking = null;

/** Ask for the token, once, whoever was refused. Ends when it is right: the page then starts anew. */
function login(why) {
  asking ??= new Promise(() => {
    const dialog = $("#dialog");
    const field = h("input", { type: "password", autocomplete: "current-password", placeholder: "token", "aria-label": "token", autofocus: true });
    const said = h("p.muted", null, why);
    const form = h("form.login", { onsubmit: async (event) => {
      event.preventDefault();
      const response = await fetch("/api/login", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token: field.value }),
      });
      if (response.ok) location.reload();
      else said.textContent = (await response.json()).error;
    } }, h("h2", null, "Token"), said, field, h("button.primary", null, "Open"));
    dialog.replaceChildren(form);
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.showModal();
  });
  return asking;
}
