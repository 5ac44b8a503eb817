// Renders the formulas of a page, \(...\) and \[...\], with the KaTeX that lies beside it. Pages
// without a formula do not load it.
(() => {
  const home = new URL("../assets/katex/", document.currentScript.src);
  const formulas = [...document.querySelectorAll(".arithmatex")];
  if (formulas.length === 0) return;
  const script = document.createElement("script");
  script.src = new URL("katex.min.js", home).href;
  script.onload = () => {
    for (const element of formulas) {
      const text = element.textContent.trim();
      katex.render(text.slice(2, -2), element, {
        displayMode: text.startsWith("\\["),
        throwOnError: false,
      });
    }
  };
  document.head.append(script);
})();
