/// Which of several instances runs a request that all of them see: rendezvous hashing, decided by each of them alike.
///
/// Only what everybody sees goes into it: the request and the identifiers of the instances. A request keeps its
/// instance while that is there; when one leaves, only its own requests move, evenly to the others.
package struct InstanceChoice: Sendable {
    private let request: StableHash

    /// - Parameter levels: of a request in the form of MQTT 3.1.1.
    package init(_ message: ApplicationMessage, _ levels: ReplyLevels?) {
        var hash = StableHash()
        if let key = message.properties.first(PropertyName.key) {
            hash.combine(key)
        } else if let correlation = message.properties.correlationData {
            hash.combine(message.properties.responseTopic ?? "")
            hash.combine(0 as UInt8)
            hash.combine(correlation)
        } else if let levels {
            hash.combine(levels.replyTopic.string)
        } else {
            // Nothing tells it from another one with the same content, and nothing has to.
            hash.combine(message.properties.responseTopic ?? "")
            hash.combine(0 as UInt8)
            hash.combine(message.payload)
        }
        hash.combine(0 as UInt8)
        self.request = hash
    }

    /// `nil` where there is none to choose from.
    ///
    /// - Parameter instances: as they stand in the topics of their presence, in any order.
    package func owner(among instances: some Sequence<String>) -> String? {
        var owner: (weight: UInt64, instance: String)?
        for instance in instances {
            var hash = self.request
            hash.combine(instance)
            let candidate = (weight: hash.bits, instance: instance)
            guard let best = owner else {
                owner = candidate
                continue
            }
            if candidate > best { owner = candidate }
        }
        return owner?.instance
    }
}
