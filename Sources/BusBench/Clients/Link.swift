import Glibc
import NIOCore

/// What stands behind a network connection of the generator.
protocol LinkOwner: AnyObject {
    /// The connection stands; what is to be said first may be written to it.
    func linkOpened(_ link: Link)
    /// Takes what it understands from the front of the bytes; the rest comes again with what follows.
    func linkReceived(_ bytes: inout ByteBuffer, on link: Link) throws(BenchFailure)
    func linkClosed(_ link: Link)
}

/// One network connection: a socket, what is to be written to it, and the unfinished end of what was read.
final class Link {
    enum State {
        case connecting
        case open
        case closed
    }

    let descriptor: Int32
    let token: Int
    unowned let loop: LinkLoop
    /// Owned by the workload, which outlives its links.
    unowned let owner: any LinkOwner
    var state = State.connecting
    var output = ByteBuffer()
    var rest = ByteBuffer()
    var isDirty = false
    var wantsWrite = true

    init(_ descriptor: Int32, token: Int, loop: LinkLoop, owner: any LinkOwner) {
        self.descriptor = descriptor
        self.token = token
        self.loop = loop
        self.owner = owner
    }

    /// Something was appended to `output`: it leaves with the next flush.
    func touch() {
        guard !self.isDirty else { return }
        self.isDirty = true
        self.loop.dirty.append(self)
    }

    /// The kernel does not take more for now, or much waits already.
    var isCongested: Bool { self.wantsWrite || self.output.readableBytes > 256 * 1024 }

    /// Writes what waits.
    func flush() {
        self.isDirty = false
        guard self.state == .open, !self.wantsWrite else { return }
        while self.output.readableBytes > 0 {
            let count = unsafe self.output.withUnsafeReadableBytes { bytes in
                unsafe send(self.descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else {
                if errno == EINTR { continue }
                if errno == EAGAIN { self.setWantsWrite(true) } else { self.loop.close(self) }
                return
            }
            self.output.moveReaderIndex(forwardBy: count)
        }
        self.output.clear()
    }

    func setWantsWrite(_ wantsWrite: Bool) {
        guard wantsWrite != self.wantsWrite else { return }
        self.wantsWrite = wantsWrite
        self.loop.poller.setWantsWrite(wantsWrite, self.descriptor, token: self.token)
    }
}
