"use strict";

const field = (id) => document.getElementById(id);
const say = (line) => { field("log").textContent += line + "\n"; };
const broker = new URLSearchParams(location.search).get("broker") ?? "ws://127.0.0.1:8083/mqtt";
const bus = new Mqtt(broker, "browser-" + Math.random().toString(36).slice(2, 10));

field("broker").textContent = broker;
bus.onstate = (state) => {
  field("state").textContent = state;
  if (state === "connected") bus.subscribe("devices/#");
};
bus.onmessage = (topic, payload) => say(`event ${topic}: ${payload}`);

field("publish").onsubmit = (event) => {
  event.preventDefault();
  bus.publish(field("topic").value, field("payload").value);
};
field("call").onsubmit = async (event) => {
  event.preventDefault();
  const name = field("function").value;
  const answer = await bus.call(name, field("argument").value);
  say(`${name} answered ${answer.status}: ${answer.payload}`);
};

// index.html?try sends both forms once and, when both have come back, publishes what the page shows: for a look
// without hands.
if (new URLSearchParams(location.search).has("try")) {
  const wait = setInterval(() => {
    if (field("state").textContent !== "connected") return;
    clearInterval(wait);
    field("publish").requestSubmit();
    field("call").requestSubmit();
    const shown = setInterval(() => {
      const text = field("log").textContent;
      if (!text.includes("event ") || !text.includes(" answered ")) return;
      clearInterval(shown);
      bus.publish("log/browser", text);
    }, 50);
  }, 50);
}
