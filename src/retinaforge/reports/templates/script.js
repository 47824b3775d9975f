document.querySelectorAll(".views input").forEach(function (box) {
  function set() { document.body.classList.toggle("no-" + box.value, !box.checked); }
  box.addEventListener("change", set); set();
});
var big = document.getElementById("big");
document.querySelectorAll(".wall img, .pair img").forEach(function (img) {
  img.tabIndex = 0;
  function open() {
    big.querySelector("img").src = img.src; big.querySelector("img").alt = img.alt;
    big.querySelector("p").textContent = img.alt; big.showModal();
  }
  img.addEventListener("click", open);
  img.addEventListener("keydown", function (e) { if (e.key === "Enter") { open(); } });
});
big.addEventListener("click", function () { big.close(); });
window.addEventListener("beforeprint", function () {
  document.querySelectorAll("details").forEach(function (d) { d.open = true; });
});
