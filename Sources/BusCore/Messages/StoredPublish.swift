import BusCalls
import BusWire

/// A PUBLISH in the hands of the call table: one object for each call, which changes its content.
final class StoredPublish: CallMessage {
    private struct Content {
        var publish: Publish
        /// The properties are already those for an instance, but for what changes from attempt to attempt.
        var isImage = false
        /// The route on which it came, where it is used at once.
        var route: Route?
    }

    /// Safe because the object belongs to one broker's value, which one thread at a time has in hand.
    private nonisolated(unsafe) var content: Content

    var publish: Publish { unsafe self.content.publish }
    var isImage: Bool { unsafe self.content.isImage }
    var route: Route? { unsafe self.content.route }

    init(_ publish: Publish, along route: Route? = nil) {
        unsafe self.content = Content(publish: publish, route: route)
    }

    /// Takes the content into storage of its own: what is kept must not pin the 64 KiB that one read brought.
    func keep() {
        unsafe self.content.publish = self.publish.compacted()
        unsafe self.content.route = nil
    }

    /// Keeps the request in the shape in which its instance got it.
    func become(image: Publish) {
        unsafe self.content = Content(publish: image, isImage: true)
    }
}

extension Publish: CallAnswer {
    var keptByteCount: Int { self.packedByteCount }

    func keep(in target: UnsafeMutableRawBufferPointer) {
        unsafe self.pack(into: target)
    }
}

extension CallMessage {
    /// The message as this room gave it to the table.
    var stored: StoredPublish {
        // The table gives back what it got, and this room gives it nothing else.
        unsafe unsafeDowncast(self, to: StoredPublish.self)
    }

    var publish: Publish { self.stored.publish }
}
