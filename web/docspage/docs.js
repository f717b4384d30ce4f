// Shows /openapi.json with the packaged viewer; nothing is fetched from anywhere else.
const dark = window.matchMedia("(prefers-color-scheme: dark)");

// The viewer's dark rules hold under this class, which it never sets by itself.
function followScheme() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

followScheme();
dark.addEventListener("change", followScheme);

window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  supportedSubmitMethods: ["get", "post", "put", "patch", "delete"],
});
