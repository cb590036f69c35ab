// The output of a drawing: one picture takes the place of the other without a blank in between.
const image = element.querySelector("img"), save = element.querySelector(".save");
const hint = element.querySelector(".hint"), remark = element.querySelector(".remark");
element.querySelector(".title").textContent = props.title;
element.querySelector(".frame").style.aspectRatio = props.ratio;
image.alt = `Output of ${props.run}`;
save.download = `${props.run}.png`;
const show = () => {
  const { image: source = "", text = "" } = props.value ?? {};
  if (source) image.src = save.href = source;
  image.hidden = save.hidden = !source;
  hint.hidden = Boolean(source || text);
  remark.hidden = !text;
  remark.textContent = text;
};
watch("value", show);
show();
