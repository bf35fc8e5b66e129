// dcc.Upload drops a file that is too large without a word: say so.
const saySize = (files) => {
  const said = document.getElementById("predict-file-large");
  if (said && files && files.length) {
    said.hidden = files[0].size <= Number(said.dataset.most);
  }
};
document.addEventListener("change", (event) => event.target.closest?.("#predict-file") && saySize(event.target.files), true);
document.addEventListener("drop", (event) => event.target.closest?.("#predict-file") && saySize(event.dataTransfer.files), true);
