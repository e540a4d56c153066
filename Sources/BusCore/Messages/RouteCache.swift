import BusTopics
import BusWire

/// The routes of the topics in use: a table addressed by the topic's hash.
///
/// A publish on a topic seen before costs one hash and one comparison of the topic's bytes, however many filters there
/// are; a change of any subscription makes every route stale at once, by its generation. A topic takes the place of
/// another one only when it comes twice in a row there: where there are more topics than places, most of them pass by
/// and cost no more than a glance. Wide routes are dear: when the recipients of all come to `recipientsMax`, the table
/// begins anew.
struct RouteCache: Sendable {
    private struct Place: Sendable {
        /// Hashes of the route's topic and of the topic that was last looked for in vain: others are told apart without
        /// a look at the route.
        var tag: UInt32 = 0
        var wanted: UInt32 = 0
        /// Of the route, which need not be looked at where it is stale or another topic's.
        var generation: UInt64 = 0
        var route: Route?
    }

    private var places: [Place]
    private(set) var recipientCount = 0
    private let recipientsMax: Int
    private let seed: UInt64

    /// - Parameter placesLog2: the table has 2^placesLog2 places.
    init(seed: UInt64, placesLog2: Int = 12, recipientsMax: Int = 1 << 20) {
        self.places = Array(repeating: Place(), count: 1 << placesLog2)
        self.seed = seed
        self.recipientsMax = recipientsMax
    }

    /// The publish comes here whole: a closure over its topic, made by the broker, would copy the broker.
    func find(_ publish: Publish, generation: UInt64) -> Route? {
        unsafe publish.withTopicBytes { topic in unsafe self.find(topic, generation: generation) }
    }

    private func find(_ topic: UnsafeRawBufferPointer, generation: UInt64) -> Route? {
        let hash = unsafe self.hash(topic)
        let index = self.index(hash)
        guard self.places[index].tag == Self.tag(hash), self.places[index].generation == generation,
            let route = self.places[index].route, route.topic.count == topic.count
        else { return nil }
        let isSame = unsafe route.topic.withUnsafeBytes { known in unsafe known.hasSameBytes(as: topic) }
        return isSame ? route : nil
    }

    mutating func insert(_ route: Route) {
        let hash = unsafe route.topic.withUnsafeBytes { topic in unsafe self.hash(topic) }
        let index = self.index(hash)
        let tag = Self.tag(hash)
        if self.places[index].route != nil, self.places[index].generation == route.generation,
            self.places[index].tag != tag, self.places[index].wanted != tag
        {
            self.places[index].wanted = tag
            return
        }
        let difference = route.recipients.count - (self.places[index].route?.recipients.count ?? 0)
        if self.recipientCount + difference > self.recipientsMax {
            self.places = Array(repeating: Place(), count: self.places.count)
            self.recipientCount = 0
        }
        self.recipientCount += route.recipients.count - (self.places[index].route?.recipients.count ?? 0)
        self.places[index] = Place(tag: tag, generation: route.generation, route: route)
    }

    private func index(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (self.places.count - 1) }

    private static func tag(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash >> 32) }

    /// FNV-1a over 8-byte words with a final mix: a handful of instructions for a usual topic. The seed keeps outsiders
    /// from choosing topics that evict each other.
    private func hash(_ topic: UnsafeRawBufferPointer) -> UInt64 {
        var hash = self.seed ^ UInt64(truncatingIfNeeded: topic.count)
        var offset = 0
        while offset + 8 <= topic.count {
            let word = unsafe topic.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 32
            offset += 8
        }
        var tail: UInt64 = 0
        while offset < topic.count {
            tail = tail << 8 | UInt64(unsafe topic[offset])
            offset += 1
        }
        hash = (hash ^ tail) &* 0x9E37_79B9_7F4A_7C15
        hash ^= hash >> 29
        return hash
    }
}
