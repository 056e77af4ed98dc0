#pragma once
// One direction of one stream of a session, over a connection that may break at any frame and come back.
//
// The sender keeps what the receiver has not yet taken and sends it again from where the receiver stands; the receiver
// takes each byte once. The window bounds both: a sender that is not acknowledged stops, and so does, in the end, the
// program that produces. Plain values: no I/O, no clock.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/frame.h"

namespace slipway::agent {

// Bytes that a sender may be ahead of what the receiver's program has taken: also the size of the replay buffer. Covers
// 100 Mbit/s at 20 ms.
inline constexpr std::size_t kDataWindowBytes = 256 * 1024;
// The same for command and event lines, which are few and short.
inline constexpr std::size_t kLineWindowBytes = 32 * 1024;

constexpr std::size_t window_of(StreamId stream) {
  return stream == StreamId::commands || stream == StreamId::events ? kLineWindowBytes : kDataWindowBytes;
}

class SendStream {
 public:
  explicit SendStream(StreamId stream) : stream_(stream) {}

  // How much `write` takes now.
  std::size_t room() const;
  // `bytes` must fit the room. Not after `finish`.
  void write(std::string_view bytes);
  void finish();
  bool finished() const { return finished_; }

  // The next data or eof frame to go out, without its channel; empty when there is nothing to send. The window is kept
  // by `room`, so that whatever was written may be sent.
  std::optional<Frame> next_frame();
  // The receiver took everything below `position`. Throws PROTOCOL_ERROR for what was never sent; an old one is
  // ignored.
  void acknowledge(std::uint64_t position);
  // A new connection: the receiver took everything below `position`, and gets the rest again. Throws PROTOCOL_ERROR
  // when that cannot be.
  void resume_from(std::uint64_t position);
  // Everything written, and the end, was taken.
  bool all_acknowledged() const { return finished_ && acknowledged_ == end_ + 1; }

 private:
  void forget_below(std::uint64_t position);

  StreamId stream_;
  // Bytes [buffer_from_, end_): kept until acknowledged. The front of `buffer_` up to `dead_` is already forgotten and
  // cut off now and then, so that forgetting costs nothing.
  std::string buffer_;
  std::size_t dead_ = 0;
  std::uint64_t acknowledged_ = 0;  // as a position: the end of the stream counts one
  std::uint64_t sent_ = 0;          // position that the present connection has been given
  std::uint64_t sent_ever_ = 0;
  std::uint64_t end_ = 0;  // bytes written
  bool finished_ = false;
};

class ReceiveStream {
 public:
  explicit ReceiveStream(StreamId stream) : stream_(stream) {}

  // A data or eof frame. Throws PROTOCOL_ERROR for a gap, for more than the window allows, and after the end; what was
  // received before is dropped silently.
  void receive(const Frame& frame);

  // What has arrived and was not taken yet. Valid until the next call of a member that changes the stream.
  std::string_view available() const { return std::string_view(buffer_).substr(dead_); }
  void take(std::size_t bytes);
  bool at_end() const { return ended_ && available().empty(); }

  // Everything below was taken; the end counts one. Not what has merely arrived: the sender's window counts from here,
  // and after a new connection it goes on from here.
  std::uint64_t position() const { return taken() + (at_end() ? 1 : 0); }
  // An ack frame without its channel, when enough was taken to be worth one.
  std::optional<Frame> next_ack();

 private:
  std::uint64_t taken() const { return received_ - available().size(); }

  StreamId stream_;
  std::string buffer_;
  std::size_t dead_ = 0;
  std::uint64_t received_ = 0;  // bytes
  std::uint64_t told_ = 0;      // position of the last ack
  bool ended_ = false;
};

}  // namespace slipway::agent
