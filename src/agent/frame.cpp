#include "agent/frame.h"

namespace slipway::agent {
namespace {

constexpr std::size_t kHeadBytes = 5;                     // type, channel
constexpr std::size_t kStreamHeadBytes = kHeadBytes + 9;  // and stream, offset
// Offsets stay below this, so that adding a window to one cannot overflow.
constexpr std::uint64_t kMaxOffset = std::uint64_t(1) << 62;

bool is_known(std::uint8_t type) {
  switch (FrameType(type)) {
    case FrameType::hello:
    case FrameType::welcome:
    case FrameType::ready:
    case FrameType::heartbeat:
    case FrameType::open:
    case FrameType::opened:
    case FrameType::close:
    case FrameType::detach:
    case FrameType::data:
    case FrameType::ack:
    case FrameType::eof:
      return true;
  }
  return false;
}

bool carries_stream(FrameType type) {
  return type == FrameType::data || type == FrameType::ack || type == FrameType::eof;
}

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out.push_back(char(value >> shift));
}

std::uint64_t read_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | std::uint8_t(byte);
  return value;
}

void check_payload(const Frame& frame) {
  switch (frame.type) {
    case FrameType::data:
      if (frame.payload.empty()) throw protocol_error("a data frame is empty");
      if (frame.payload.size() > kMaxDataBytes) throw protocol_error("a data frame is longer than 32 KiB");
      return;
    case FrameType::ack:
    case FrameType::eof:
      if (!frame.payload.empty()) throw protocol_error("an ack or eof frame has a payload");
      return;
    default:
      if (frame.payload.size() > kMaxControlBytes) throw protocol_error("a control frame is longer than 64 KiB");
  }
}

}  // namespace

std::string encode(const Frame& frame) {
  std::string out;
  out.reserve(kStreamHeadBytes + frame.payload.size());
  out.push_back(char(frame.type));
  append_big_endian(out, frame.channel, 4);
  if (carries_stream(frame.type)) {
    out.push_back(char(frame.stream));
    append_big_endian(out, frame.offset, 8);
  }
  out += frame.payload;
  return out;
}

FrameHead decode_head(std::string_view message) {
  if (message.size() < kHeadBytes) throw protocol_error("a frame is shorter than its head");
  if (message.size() > kMaxFrameBytes) throw protocol_error("a frame is longer than allowed");
  const auto type = std::uint8_t(message[0]);
  if (!is_known(type)) throw protocol_error("frame type " + std::to_string(type) + " is not known");
  return {FrameType(type), std::uint32_t(read_big_endian(message.substr(1, 4)))};
}

Frame decode(std::string_view message) {
  const FrameHead head = decode_head(message);
  Frame frame;
  frame.type = head.type;
  frame.channel = head.channel;
  if (!carries_stream(frame.type)) {
    frame.payload = message.substr(kHeadBytes);
  } else {
    if (message.size() < kStreamHeadBytes) throw protocol_error("a stream frame is shorter than its head");
    const auto stream = std::uint8_t(message[kHeadBytes]);
    if (stream >= kStreams) throw protocol_error("stream " + std::to_string(stream) + " is not known");
    frame.stream = StreamId(stream);
    frame.offset = read_big_endian(message.substr(kHeadBytes + 1, 8));
    if (frame.offset > kMaxOffset) throw protocol_error("an offset is larger than 2^62");
    frame.payload = message.substr(kStreamHeadBytes);
  }
  check_payload(frame);
  return frame;
}

void replace_channel(std::string& message, std::uint32_t channel) {
  SLIPWAY_ASSERT(message.size() >= kHeadBytes);
  for (int i = 0; i < 4; ++i) message[std::size_t(1 + i)] = char(channel >> (24 - 8 * i));
}

base::Error protocol_error(std::string message) {
  return base::Error(base::ErrorClass::user, "PROTOCOL_ERROR", std::move(message));
}

}  // namespace slipway::agent
