#pragma once
// The messages of a session as text, one line of JSON each (RUN-20): {"type":"plan","metadata":{…},…}. `type` is the
// message's name in camel case. Members that we do not know are skipped, missing ones have their default, so that both
// sides may grow within a version of the protocol.

#include <string>
#include <string_view>
#include <variant>

#include "provisioner/protocol.h"

namespace slipway::provisioner {

// A line that is longer is refused. Files are handed over by path, so that nothing comes near to it but a plan of tens
// of thousands of resources.
inline constexpr std::size_t kLineMax = 64 << 20;

// To the provisioner, over stdio only: what StateWritten said is kept. Between programs this says what the end of
// Session::pause says within one.
struct StateKept {};
SLIPWAY_JSON_CAMEL(StateKept)

// With the line break. Values are not redacted: the line is for the other end alone.
std::string encode(const Request& request);
std::string encode(const StateKept& kept);
std::string encode(const Message& message);

// Without the line break. Throw PROTOCOL_ERROR, with what was expected and where.
std::variant<Request, StateKept> decode_request(std::string_view line);
Message decode_message(std::string_view line);

}  // namespace slipway::provisioner
