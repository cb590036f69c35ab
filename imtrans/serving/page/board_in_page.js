// The drawing board in the page: sends what is drawn while it is drawn, at most so often, and at
// the end of each stroke. The server answers the last one; what came in between is left out.
const OFTEN = 120; // ms
import(new URL("board/board.js", document.baseURI)).then(({ createBoard }) => {
  let sent = 0, waiting = 0;
  const send = (canvas) => {
    clearTimeout(waiting);
    waiting = 0;
    sent = performance.now();
    props.value = canvas.toDataURL("image/png");
    trigger("input");
  };
  const onChange = (canvas, { done }) => {
    const left = sent + OFTEN - performance.now();
    if (done || left <= 0) send(canvas);
    else waiting ||= setTimeout(() => send(canvas), left);
  };
  element.board = createBoard(element.querySelector(".board"), { ...props.options, onChange });
});
