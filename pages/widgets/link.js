// Completes the address in place, so that Back does not meet it twice, and copies it.

export default function (component) {
  const { data, parentElement } = component;
  const button = parentElement.querySelector("button");
  const complete = () => {
    const here = new URL(window.location.href);
    const lacking = Object.entries(data.address).filter(([name, value]) => here.searchParams.get(name) !== value);
    lacking.forEach(([name, value]) => here.searchParams.set(name, value));
    if (lacking.length) window.history.replaceState(window.history.state, "", here.href);
  };
  complete();
  button.textContent = data.label;
  button.onclick = async () => {
    complete();
    const done = (await byClipboard(window.location.href)) || bySelection(window.location.href);
    button.textContent = done ? "Copied" : "Copy the address of the page";
    setTimeout(() => (button.textContent = data.label), 2000);
  };
}

async function byClipboard(text) {
  if (!navigator.clipboard) return false; // only on https and on this machine
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function bySelection(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
