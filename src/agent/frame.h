#pragma once
// The unit of the agent's protocol: one binary websocket message is one frame (docs/agent-protocol.md, "Frames").
//
//   type (1 byte) | channel (4 bytes, big endian) | payload
//
// The decoder takes bytes from a stranger: it throws PROTOCOL_ERROR for whatever is not a frame and never reads past
// the end. What a frame means at this moment is for the reader of the frame to judge.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace slipway::agent {

enum class FrameType : std::uint8_t {
  hello = 0x01,      // agent to hub, channel 0: who calls
  welcome = 0x02,    // hub to agent, channel 0: accepted
  ready = 0x03,      // agent to hub, channel 0: the workspace can be reached
  heartbeat = 0x04,  // agent to hub, channel 0: what goes on inside
  open = 0x10,       // client to agent: begin a session, or go on with it
  opened = 0x11,     // agent to client: begun; here is what has arrived
  close = 0x12,      // either way: this channel is over, and why
  detach = 0x13,     // hub to agent: the client is gone, the session is not
  data = 0x20,       // either way: bytes of one stream at an offset
  ack = 0x21,        // either way: bytes of one stream were taken; the window moves
  eof = 0x22,        // either way: one stream ends at an offset
};

// The streams of one session. The first and the fourth flow from client to agent, the others back.
enum class StreamId : std::uint8_t {
  input = 0,     // standard input
  output = 1,    // standard output, or all output of a terminal
  error = 2,     // standard error
  commands = 3,  // what the client wants besides: resize, signal; JSON lines
  events = 4,    // what the agent tells besides: a file's facts, the exit; JSON lines
};
inline constexpr std::size_t kStreams = 5;

// Connection-wide frames (hello, heartbeat, …) travel on this one; sessions never.
inline constexpr std::uint32_t kConnectionChannel = 0;

// Small enough that many sessions share a connection fairly, large enough that a frame's overhead does not show.
inline constexpr std::size_t kMaxDataBytes = 32 * 1024;
// A control payload: an open request with a whole environment fits.
inline constexpr std::size_t kMaxControlBytes = 64 * 1024;
// Control frames are the largest.
inline constexpr std::size_t kMaxFrameBytes = 5 + kMaxControlBytes;

// For control frames (hello … detach) `payload` is JSON; for data it is the bytes, and `stream` and `offset` are set;
// ack and eof have no payload.
struct Frame {
  FrameType type = FrameType::close;
  std::uint32_t channel = kConnectionChannel;
  StreamId stream = StreamId::input;
  std::uint64_t offset = 0;
  std::string payload;

  bool operator==(const Frame&) const = default;
};

std::string encode(const Frame& frame);
Frame decode(std::string_view message);

// A relay's view: only the head is looked at, the rest is passed on as it is.
struct FrameHead {
  FrameType type;
  std::uint32_t channel;
};
FrameHead decode_head(std::string_view message);
void replace_channel(std::string& message, std::uint32_t channel);

base::Error protocol_error(std::string message);

}  // namespace slipway::agent
