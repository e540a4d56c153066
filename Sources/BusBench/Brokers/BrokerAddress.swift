package import BusWire

/// A broker to be measured, and what is known of it.
package struct BrokerAddress: Sendable, Equatable {
    package var name: String
    package var host: String
    package var port: Int
    /// Its processes where they are known: only then their CPU time and memory are reported.
    package var processes: [Int32]
    /// They have started functions, whose CPU time is reported apart.
    package var hasWorkers = false
    package var version = ProtocolVersion.v5
    /// Where it speaks the NATS protocol; calls then take that way.
    package var natsPort: Int?

    package init(name: String, host: String, port: Int, processes: [Int32] = []) {
        self.name = name
        self.host = host
        self.port = port
        self.processes = processes
    }

    /// Reads `mqtt://host:port`; the port may be missing. There is no TLS here.
    package init(url: String, processes: [Int32] = []) throws(BenchFailure) {
        var rest = url[...]
        for scheme in ["mqtt://", "tcp://"] where url.hasPrefix(scheme) { rest = url.dropFirst(scheme.count) }
        if rest.last == "/" { rest = rest.dropLast() }
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, !host.isEmpty, parts.count <= 2, !rest.contains("/"), !rest.contains("@"),
            let port = parts.count == 2 ? UInt16(parts[1]) : 1883
        else { throw BenchFailure("a broker is named as mqtt://host:port (got \(url))") }
        self.init(name: "\(host):\(port)", host: String(host), port: Int(port), processes: processes)
    }

    /// Whether it can do this work at all; if not, why.
    package func objection(to workload: Workload) -> String? {
        if workload.kind == .call || workload.kind == .hosted {
            return self.natsPort == nil && self.version != .v5 ? "calls need MQTT 5" : nil
        }
        guard self.version != .v5 else { return nil }
        // The NATS server of Debian 12 speaks MQTT 3.1.1 only, and of it neither QoS 2 nor shared subscriptions.
        if workload.kind == .shared { return "shared subscriptions need MQTT 5" }
        return workload.qos == .exactlyOnce && self.natsPort != nil ? "it has no QoS 2" : nil
    }
}
