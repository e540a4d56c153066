import BusContract
import CMosquitto
import Glibc

/// A property list of libmosquitto, freed with its scope.
@safe struct PropertyList: ~Copyable {
    private(set) var list: OpaquePointer?

    init() {}

    init(_ properties: MessageProperties) throws(MosquittoFailure) {
        if let value = properties.payloadFormatIndicator {
            try check(
                unsafe mosquitto_property_add_byte(
                    &self.list, Int32(MQTT_PROP_PAYLOAD_FORMAT_INDICATOR.rawValue), value))
        }
        if let value = properties.messageExpiryInterval {
            try check(
                unsafe mosquitto_property_add_int32(
                    &self.list, Int32(MQTT_PROP_MESSAGE_EXPIRY_INTERVAL.rawValue), value))
        }
        try self.add(properties.contentType, MQTT_PROP_CONTENT_TYPE)
        try self.add(properties.responseTopic, MQTT_PROP_RESPONSE_TOPIC)
        if let value = properties.correlationData {
            let identifier = Int32(MQTT_PROP_CORRELATION_DATA.rawValue)
            try check(
                unsafe mosquitto_property_add_binary(&self.list, identifier, value, UInt16(clamping: value.count)))
        }
        for (name, value) in properties.userProperties { try self.add(user: name, value) }
    }

    deinit {
        var list = unsafe self.list
        unsafe mosquitto_property_free_all(&list)
    }

    private mutating func add(_ text: String?, _ identifier: mqtt5_property) throws(MosquittoFailure) {
        guard let text else { return }
        // Handed over as it is: an argument that is a String is copied first.
        try check(
            unsafe text.withCString { unsafe mosquitto_property_add_string(&self.list, Int32(identifier.rawValue), $0) }
        )
    }

    mutating func add(maximumPacketSize bytes: UInt32) throws(MosquittoFailure) {
        let identifier = Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue)
        try check(unsafe mosquitto_property_add_int32(&self.list, identifier, bytes))
    }

    mutating func add(user name: String, _ value: String) throws(MosquittoFailure) {
        let identifier = Int32(MQTT_PROP_USER_PROPERTY.rawValue)
        try check(
            unsafe name.withCString { name in
                unsafe value.withCString { value in
                    unsafe mosquitto_property_add_string_pair(&self.list, identifier, name, value)
                }
            })
    }

    /// Copies what a callback was given; the list stays libmosquitto's.
    static func read(_ list: OpaquePointer?) -> MessageProperties {
        var properties = MessageProperties()
        guard unsafe list != nil else { return properties }
        // As many as a call has: one allocation in place of four.
        properties.userProperties.reserveCapacity(8)
        var current = unsafe list
        while let property = unsafe current {
            switch unsafe mosquitto_property_identifier(property) {
            case Int32(MQTT_PROP_PAYLOAD_FORMAT_INDICATOR.rawValue):
                var value: UInt8 = 0
                unsafe mosquitto_property_read_byte(
                    property, Int32(MQTT_PROP_PAYLOAD_FORMAT_INDICATOR.rawValue), &value, false)
                properties.payloadFormatIndicator = value
            case Int32(MQTT_PROP_MESSAGE_EXPIRY_INTERVAL.rawValue):
                var value: UInt32 = 0
                unsafe mosquitto_property_read_int32(
                    property, Int32(MQTT_PROP_MESSAGE_EXPIRY_INTERVAL.rawValue), &value, false)
                properties.messageExpiryInterval = value
            case Int32(MQTT_PROP_CONTENT_TYPE.rawValue):
                properties.contentType = unsafe Self.string(property, MQTT_PROP_CONTENT_TYPE)
            case Int32(MQTT_PROP_RESPONSE_TOPIC.rawValue):
                properties.responseTopic = unsafe Self.string(property, MQTT_PROP_RESPONSE_TOPIC)
            case Int32(MQTT_PROP_CORRELATION_DATA.rawValue):
                properties.correlationData = unsafe Self.binary(property)
            case Int32(MQTT_PROP_USER_PROPERTY.rawValue):
                if let pair = unsafe Self.pair(property) { properties.userProperties.append(pair) }
            default: break
            }
            unsafe current = mosquitto_property_next(property)
        }
        return properties
    }

    /// The first of its kind, where there is one.
    static func byte(_ identifier: mqtt5_property, of list: OpaquePointer?) -> UInt8? {
        var value: UInt8 = 0
        let found = unsafe mosquitto_property_read_byte(list, Int32(identifier.rawValue), &value, false)
        return unsafe found == nil ? nil : value
    }

    private static func string(_ property: OpaquePointer, _ identifier: mqtt5_property) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        unsafe mosquitto_property_read_string(property, Int32(identifier.rawValue), &text, false)
        defer { unsafe free(text) }
        return unsafe text.map { unsafe String(cString: $0) }
    }

    private static func binary(_ property: OpaquePointer) -> [UInt8]? {
        var bytes: UnsafeMutableRawPointer?
        var count: UInt16 = 0
        unsafe mosquitto_property_read_binary(
            property, Int32(MQTT_PROP_CORRELATION_DATA.rawValue), &bytes, &count, false)
        defer { unsafe free(bytes) }
        return unsafe bytes.map { unsafe [UInt8](UnsafeRawBufferPointer(start: $0, count: Int(count))) }
    }

    private static func pair(_ property: OpaquePointer) -> (name: String, value: String)? {
        var name: UnsafeMutablePointer<CChar>?
        var value: UnsafeMutablePointer<CChar>?
        unsafe mosquitto_property_read_string_pair(
            property, Int32(MQTT_PROP_USER_PROPERTY.rawValue), &name, &value, false)
        defer {
            unsafe free(name)
            unsafe free(value)
        }
        guard let name = unsafe name, let value = unsafe value else { return nil }
        return unsafe (String(cString: name), String(cString: value))
    }
}

/// Turns a result code of libmosquitto into an error.
func check(_ code: Int32) throws(MosquittoFailure) {
    guard code != 0 else { return }
    throw MosquittoFailure(code)
}

extension MosquittoFailure {
    init(_ code: Int32) {
        let text = unsafe mosquitto_strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
        self.init(code: code, description: text)
    }
}
