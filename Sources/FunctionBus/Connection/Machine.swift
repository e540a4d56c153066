import Glibc

/// What presence says about this process.
enum Machine {
    static let hostName: String = {
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&buffer, buffer.count - 1) == 0 else { return "" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }()

    static var processIdentifier: Int { Int(getpid()) }

    static let startedSeconds: Int = time(nil)
}
