#pragma once
// One end of a session: its five streams, of which the client's end sends two and the agent's end three. It outlives
// connections: `detach` when one is lost, `attach` when the next one has told how far the other side is.
//
// Plain values, no I/O: the program side writes and takes bytes; the connection side puts frames in and asks for the
// next frame to send. PROTOCOL_ERROR means that the peer misbehaves: the channel is to be closed.

#include <array>
#include <optional>
#include <string_view>

#include "agent/messages.h"
#include "agent/stream.h"

namespace slipway::agent {

enum class Side { client, agent };

class SessionEnd {
 public:
  explicit SessionEnd(Side side);

  // ---- the program's side. Each is for a stream that this side sends, or receives: the caller knows which.
  SendStream& sending(StreamId stream);
  const SendStream& sending(StreamId stream) const;
  ReceiveStream& receiving(StreamId stream);
  const ReceiveStream& receiving(StreamId stream) const;

  // ---- the connection's side
  // How far this end has taken what it receives: goes into `open` or `opened`.
  Positions positions() const;
  void attach(const Positions& peer);
  void detach() { attached_ = false; }
  bool attached() const { return attached_; }
  // A data, ack or eof frame.
  void receive(const Frame& frame);
  // What to send next, without its channel; empty when there is nothing, or no connection. Acknowledgements go first,
  // then lines, then data, the streams taking turns.
  std::optional<Frame> next_frame();
  // Nothing that this end sent is still on its way.
  bool all_acknowledged() const;

 private:
  bool sends(StreamId stream) const;

  Side side_;
  bool attached_ = false;
  std::size_t turn_ = 0;
  // Both exist for every stream; only the one of this side's direction is used.
  std::array<SendStream, kStreams> send_;
  std::array<ReceiveStream, kStreams> receive_;
};

// Splits the bytes of a commands or events stream into lines. Throws PROTOCOL_ERROR for a line that is too long.
inline constexpr std::size_t kMaxLineBytes = 8 * 1024;
// Takes the next whole line out of the stream, without its line break; empty when none is there yet.
std::optional<std::string> take_line(ReceiveStream& stream);

}  // namespace slipway::agent
