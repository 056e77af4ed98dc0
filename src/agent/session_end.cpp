#include "agent/session_end.h"

namespace slipway::agent {
namespace {

constexpr std::array kAllStreams = {StreamId::input, StreamId::output, StreamId::error, StreamId::commands,
                                    StreamId::events};
constexpr std::array kLineStreams = {StreamId::commands, StreamId::events};
constexpr std::array kDataStreams = {StreamId::input, StreamId::output, StreamId::error};

}  // namespace

SessionEnd::SessionEnd(Side side)
    : side_(side),
      send_{SendStream(StreamId::input), SendStream(StreamId::output), SendStream(StreamId::error),
            SendStream(StreamId::commands), SendStream(StreamId::events)},
      receive_{ReceiveStream(StreamId::input), ReceiveStream(StreamId::output), ReceiveStream(StreamId::error),
               ReceiveStream(StreamId::commands), ReceiveStream(StreamId::events)} {}

bool SessionEnd::sends(StreamId stream) const {
  const bool from_client = stream == StreamId::input || stream == StreamId::commands;
  return from_client == (side_ == Side::client);
}

SendStream& SessionEnd::sending(StreamId stream) {
  SLIPWAY_ASSERT(sends(stream));
  return send_[std::size_t(stream)];
}

const SendStream& SessionEnd::sending(StreamId stream) const { return const_cast<SessionEnd*>(this)->sending(stream); }

ReceiveStream& SessionEnd::receiving(StreamId stream) {
  SLIPWAY_ASSERT(!sends(stream));
  return receive_[std::size_t(stream)];
}

const ReceiveStream& SessionEnd::receiving(StreamId stream) const {
  return const_cast<SessionEnd*>(this)->receiving(stream);
}

Positions SessionEnd::positions() const {
  Positions positions;
  for (const StreamId stream : kAllStreams)
    if (!sends(stream)) positions[stream] = receiving(stream).position();
  return positions;
}

void SessionEnd::attach(const Positions& peer) {
  for (const StreamId stream : kAllStreams)
    if (sends(stream)) sending(stream).resume_from(peer[stream]);
  attached_ = true;
}

void SessionEnd::receive(const Frame& frame) {
  const bool is_ack = frame.type == FrameType::ack;
  if (is_ack != sends(frame.stream)) throw protocol_error("a frame for a stream that flows the other way");
  if (is_ack)
    sending(frame.stream).acknowledge(frame.offset);
  else
    receiving(frame.stream).receive(frame);
}

std::optional<Frame> SessionEnd::next_frame() {
  if (!attached_) return std::nullopt;
  for (const StreamId stream : kAllStreams)
    if (!sends(stream))
      if (auto ack = receiving(stream).next_ack()) return ack;
  for (const StreamId stream : kLineStreams)
    if (sends(stream))
      if (auto frame = sending(stream).next_frame()) return frame;
  for (std::size_t i = 0; i < kDataStreams.size(); ++i) {
    const StreamId stream = kDataStreams[turn_++ % kDataStreams.size()];
    if (sends(stream))
      if (auto frame = sending(stream).next_frame()) return frame;
  }
  return std::nullopt;
}

bool SessionEnd::all_acknowledged() const {
  for (const StreamId stream : kAllStreams)
    if (sends(stream) && !sending(stream).all_acknowledged()) return false;
  return true;
}

std::optional<std::string> take_line(ReceiveStream& stream) {
  const std::string_view available = stream.available();
  const std::size_t end = available.find('\n');
  if (end == available.npos) {
    if (available.size() > kMaxLineBytes) throw protocol_error("a command or event line is longer than 8 KiB");
    return std::nullopt;
  }
  if (end > kMaxLineBytes) throw protocol_error("a command or event line is longer than 8 KiB");
  std::string line(available.substr(0, end));
  stream.take(end + 1);
  return line;
}

}  // namespace slipway::agent
