// Server-sent events: the same events, in whatever pieces the bytes come.

#include <vector>

#include "fuzz.h"
#include "net/sse.h"

namespace {

using namespace slipway;

constexpr std::size_t kEventBytes = 1'000;

struct Outcome {
  std::vector<std::string> events;
  std::string last_id;
  bool refused = false;
  bool operator==(const Outcome&) const = default;
};

Outcome read_in_pieces(std::string_view bytes, std::size_t piece) {
  Outcome outcome;
  net::EventParser parser(
      [&](const net::ServerSentEvent& event) {
        outcome.events.push_back(event.id + "\n" + event.event + "\n" + event.data);
      },
      kEventBytes);
  outcome.refused = fuzz::refused([&] {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) parser.feed(bytes.substr(0, piece));
  });
  outcome.last_id = parser.last_event_id();
  return outcome;
}

}  // namespace

SLIPWAY_FUZZ(input) {
  const auto whole = read_in_pieces(input, input.size() + 1);
  fuzz::must(read_in_pieces(input, 1) == whole, "byte by byte gives the same events");
  fuzz::must(read_in_pieces(input, 7) == whole, "pieces give the same events");
}
