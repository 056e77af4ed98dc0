#include "agent/stream.h"

#include <algorithm>

namespace slipway::agent {
namespace {

// Dead bytes at the front of a buffer are cut off when they are this many and most of it: moving the rest is then paid
// for by what was forgotten.
constexpr std::size_t kTrimBytes = 64 * 1024;

void trim(std::string& buffer, std::size_t& dead) {
  if (dead == buffer.size()) {
    buffer.clear();
    dead = 0;
  } else if (dead >= kTrimBytes && dead * 2 >= buffer.size()) {
    buffer.erase(0, dead);
    dead = 0;
  }
}

}  // namespace

std::size_t SendStream::room() const {
  if (finished_) return 0;
  return window_of(stream_) - std::size_t(end_ - acknowledged_);
}

void SendStream::write(std::string_view bytes) {
  SLIPWAY_ASSERT(!finished_ && bytes.size() <= room());
  buffer_ += bytes;
  end_ += bytes.size();
}

void SendStream::finish() { finished_ = true; }

std::optional<Frame> SendStream::next_frame() {
  Frame frame;
  frame.stream = stream_;
  frame.offset = sent_;
  if (sent_ < end_) {
    frame.type = FrameType::data;
    const std::size_t length = std::min(std::size_t(end_ - sent_), kMaxDataBytes);
    frame.payload = buffer_.substr(dead_ + std::size_t(sent_ - acknowledged_), length);
    sent_ += length;
  } else if (finished_ && sent_ == end_) {
    frame.type = FrameType::eof;
    ++sent_;
  } else {
    return std::nullopt;
  }
  sent_ever_ = std::max(sent_ever_, sent_);
  return frame;
}

void SendStream::acknowledge(std::uint64_t position) {
  if (position > sent_ever_) throw protocol_error("bytes are acknowledged that were never sent");
  forget_below(position);
}

void SendStream::resume_from(std::uint64_t position) {
  if (position > sent_ever_) throw protocol_error("the session is resumed behind what was sent");
  if (position < acknowledged_) throw protocol_error("the session is resumed before what was acknowledged");
  forget_below(position);
  sent_ = position;
}

void SendStream::forget_below(std::uint64_t position) {
  if (position <= acknowledged_) return;
  dead_ += std::size_t(std::min(position, end_) - std::min(acknowledged_, end_));
  acknowledged_ = position;
  sent_ = std::max(sent_, position);
  trim(buffer_, dead_);
}

void ReceiveStream::receive(const Frame& frame) {
  if (frame.type == FrameType::eof) {
    if (frame.offset != received_) throw protocol_error("a stream ends at another place than its last byte");
    ended_ = true;
    return;
  }
  if (frame.offset > received_) throw protocol_error("bytes are missing in a stream");
  const std::uint64_t frame_end = frame.offset + frame.payload.size();
  if (frame_end <= received_) return;
  if (ended_) throw protocol_error("a stream goes on after its end");
  if (frame_end - taken() > window_of(stream_)) throw protocol_error("more was sent than the window allows");
  buffer_ += std::string_view(frame.payload).substr(std::size_t(received_ - frame.offset));
  received_ = frame_end;
}

void ReceiveStream::take(std::size_t bytes) {
  SLIPWAY_ASSERT(bytes <= available().size());
  dead_ += bytes;
  trim(buffer_, dead_);
}

std::optional<Frame> ReceiveStream::next_ack() {
  const bool worth_it = position() - told_ >= window_of(stream_) / 4 || (at_end() && position() != told_);
  if (!worth_it) return std::nullopt;
  told_ = position();
  Frame frame;
  frame.type = FrameType::ack;
  frame.stream = stream_;
  frame.offset = told_;
  return frame;
}

}  // namespace slipway::agent
