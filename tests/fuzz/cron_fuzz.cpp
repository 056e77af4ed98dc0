// Schedules' expressions: read, and followed for a few times.

#include "durable/cron.h"
#include "fuzz.h"

SLIPWAY_FUZZ(input) {
  using namespace slipway;
  if (input.size() > 200) return;  // the longest that the API takes
  std::optional<durable::Cron> cron;
  if (fuzz::refused([&] { cron = durable::Cron::parse(input, "UTC"); })) return;
  auto at = base::from_unix_ms(1'736'676'000'000);  // 2025-01-12
  for (int i = 0; i < 3; ++i) {
    const auto next = cron->next_after(at);
    if (!next) return;
    fuzz::must(*next > at, "the next time lies ahead");
    fuzz::must(base::to_unix_ms(*next) % 1'000 == 0, "a time is a whole second");
    at = *next;
  }
}
