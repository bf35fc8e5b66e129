// Ctrl+Enter or Cmd+Enter in the editor asks the question.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.id === "sql-text") {
    event.preventDefault();
    // What was typed last reaches Dash a moment later.
    setTimeout(() => document.getElementById("sql-run").click(), 100);
  }
});
