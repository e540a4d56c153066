// MQTT 5 over a WebSocket in one page of code: QoS 0 publishing and subscribing, and calls with correlation data.
"use strict";

class Mqtt {
  constructor(url, clientId) {
    this.clientId = clientId;
    this.calls = new Map();
    this.bytes = new Uint8Array(0);
    this.socket = new WebSocket(url, "mqtt");
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.send(0x10, [
      ...Mqtt.text("MQTT"), 5, 2, 0, 60, 0, ...Mqtt.text(clientId)]);
    this.socket.onmessage = (event) => this.receive(new Uint8Array(event.data));
    this.socket.onclose = () => this.onstate("closed");
    this.onstate = () => {};
    this.onmessage = () => {};
  }

  static text(value) {
    const bytes = new TextEncoder().encode(value);
    return [bytes.length >> 8, bytes.length & 255, ...bytes];
  }

  static length(number) {
    const bytes = [];
    do {
      bytes.push(number % 128 | (number > 127 ? 128 : 0));
      number = Math.floor(number / 128);
    } while (number > 0);
    return bytes;
  }

  send(first, body) {
    this.socket.send(new Uint8Array([first, ...Mqtt.length(body.length), ...body]));
  }

  publish(topic, payload, properties = []) {
    this.send(0x30, [
      ...Mqtt.text(topic), ...Mqtt.length(properties.length), ...properties, ...new TextEncoder().encode(payload)]);
  }

  subscribe(filter) {
    this.send(0x82, [0, 1, 0, ...Mqtt.text(filter), 0]);
  }

  // Resolves with { status, payload }: exactly one answer comes, or a failure that says what went wrong.
  call(name, payload) {
    const correlation = Array.from(crypto.getRandomValues(new Uint8Array(16)));
    const properties = [
      0x08, ...Mqtt.text(`fc/_reply/${this.clientId}`), 0x09, 0, 16, ...correlation, 0x02, 0, 0, 0, 10];
    return new Promise((resolve) => {
      this.calls.set(correlation.join(), resolve);
      this.publish(`fc/${name}/req`, payload, properties);
    });
  }

  // Packets and frames need not coincide: bytes are gathered until a packet is whole.
  receive(chunk) {
    const bytes = new Uint8Array(this.bytes.length + chunk.length);
    bytes.set(this.bytes);
    bytes.set(chunk, this.bytes.length);
    let start = 0;
    for (;;) {
      let length = 0, shift = 1, at = start + 1, isWhole = false;
      while (at < bytes.length) {
        const byte = bytes[at++];
        length += (byte & 127) * shift;
        shift *= 128;
        if (byte < 128) { isWhole = at + length <= bytes.length; break; }
      }
      if (!isWhole) break;
      this.handle(bytes[start], bytes.subarray(at, at + length));
      start = at + length;
    }
    this.bytes = bytes.slice(start);
  }

  handle(first, body) {
    if (first >> 4 === 2) {
      if (body[1] !== 0) { this.onstate(`refused with 0x${body[1].toString(16)}`); return; }
      this.subscribe(`fc/_reply/${this.clientId}/#`);
      setInterval(() => this.socket.readyState === 1 && this.send(0xc0, []), 30000);
      this.onstate("connected");
    } else if (first >> 4 === 3) {
      this.message(body);
    }
  }

  message(body) {
    const reader = new Reader(body);
    const topic = reader.text();
    const end = reader.length() + reader.at;
    const user = {};
    let correlation = "";
    while (reader.at < end) {
      const identifier = body[reader.at++];
      if (identifier === 0x26) { const name = reader.text(); user[name] = reader.text(); }
      else if (identifier === 0x09) correlation = Array.from(reader.binary()).join();
      else if (identifier === 0x01) reader.at += 1;
      else if (identifier === 0x02) reader.at += 4;
      else if (identifier === 0x0b) reader.length();
      else reader.binary();
    }
    const payload = new TextDecoder().decode(body.subarray(end));
    const resolve = this.calls.get(correlation);
    if (!resolve) { this.onmessage(topic, payload); return; }
    this.calls.delete(correlation);
    resolve({ status: Number(user.__stat ?? 200), payload });
  }
}

class Reader {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }

  binary() {
    const length = this.bytes[this.at] * 256 + this.bytes[this.at + 1];
    this.at += 2 + length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  text() { return new TextDecoder().decode(this.binary()); }

  length() {
    let value = 0, factor = 1;
    for (;;) {
      const byte = this.bytes[this.at++];
      value += (byte & 127) * factor;
      factor *= 128;
      if (byte < 128) return value;
    }
  }
}
