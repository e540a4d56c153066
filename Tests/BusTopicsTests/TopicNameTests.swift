import BusTopics
import Testing

@Suite("Topic name")
struct TopicNameTests {
    @Test(
        "Any text without wildcards and NUL is a topic name [MQTT-4.7.3-1]",
        arguments: ["a", "/", "//", "a/b", "/a", "a/", "a//b", " ", "$SYS/x", "$share/a", "Ä/ö", "a/\u{301}b", "😀"])
    func valid(_ text: String) throws {
        #expect(try TopicName(text).string == text)
    }

    @Test(
        "A wrong topic name is refused with its reason [MQTT-3.3.2-2] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT311-4.7.3-2]",
        arguments: [
            ("", TopicError.empty), ("+", .wildcardInName), ("#", .wildcardInName), ("a/+/b", .wildcardInName),
            ("a/#", .wildcardInName), ("a+", .wildcardInName), ("a\0b", .nullCharacter), ("\0", .nullCharacter),
            ("+\u{301}", .wildcardInName),
        ])
    func invalid(_ text: String, _ error: TopicError) {
        #expect(throws: error) { try TopicName(text) }
    }

    @Test("Bytes are limited, not characters [MQTT-4.7.3-3]")
    func bytes() throws {
        var limits = TopicLimits()
        limits.byteCountMax = 8
        #expect(try TopicName("éééé", limits: limits).string == "éééé")
        #expect(throws: TopicError.tooLong(bytesMax: 8)) { try TopicName("éééé1", limits: limits) }
    }

    @Test("No limit exceeds that of a string on the wire [MQTT-4.7.3-3] [MQTT311-4.7.3-3]")
    func wireBound() {
        var limits = TopicLimits()
        limits.byteCountMax = 1 << 20
        let text = String(repeating: "x", count: 65_536)
        #expect(throws: TopicError.tooLong(bytesMax: 65_535)) { try TopicName(text, limits: limits) }
        #expect(throws: TopicError.tooLong(bytesMax: 65_535)) { try TopicFilter(text, limits: limits) }
    }

    @Test("Levels are limited")
    func levels() throws {
        let fits = Array(repeating: "x", count: 128).joined(separator: "/")
        #expect(try TopicName(fits).string == fits)
        #expect(throws: TopicError.tooManyLevels(limit: 128)) { try TopicName(fits + "/") }
        #expect(throws: TopicError.tooManyLevels(limit: 128)) { try TopicFilter(fits + "/#") }
    }

    @Test("Names that only look alike are different [MQTT-4.7.3-4]")
    func normalization() throws {
        let composed = try TopicName("\u{E9}")
        let decomposed = try TopicName("e\u{301}")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed, composed]).count == 2)
        #expect(try TopicFilter("\u{E9}") != TopicFilter("e\u{301}"))
    }

    @Test(
        "Every error has a sentence",
        arguments: [
            TopicError.empty, .tooLong(bytesMax: 7), .tooManyLevels(limit: 7), .nullCharacter, .wildcardInName,
            .misplacedMultiLevelWildcard, .misplacedSingleLevelWildcard, .emptyShareName, .wildcardInShareName,
            .missingSharedFilter,
        ])
    func sentences(_ error: TopicError) {
        #expect(error.message.split(separator: " ").count >= 5)
    }
}
