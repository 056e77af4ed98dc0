#include "simulator/world.h"

namespace slipway::simulator {

namespace {

constexpr std::size_t kNotesMax = 1000;  // enough to see what led to something, and no leak

}  // namespace

World::World(const base::Clock& clock, WorldOptions given, WorldState state)
    : options(std::move(given)),
      clock_(clock),
      random_(options.seed),
      identity(options.project, std::move(state.identity), options.token_lifetime),
      workstations(random_, options.delays, options.quotas),
      pubsub(random_, options.deliveries_max),
      faults(options.seed) {
  workstations.restore(std::move(state.workstations));
  pubsub.restore(state.pubsub);
  ledger.restore(std::move(state.ledger));
}

void World::advance() {
  workstations.advance(now());
  record_effects(0, false);
}

void World::record_effects(std::uint64_t number, bool answer_lost) {
  for (auto& effect : workstations.take_effects()) {
    record({.at = effect.at,
            .effect = std::move(effect.effect),
            .resource = std::move(effect.resource),
            .uid = std::move(effect.uid),
            .operation = std::move(effect.operation),
            .request = std::int64_t(number),
            .answer_lost = answer_lost});
  }
}

void World::record(LedgerEntry entry) {
  ledger.append(std::move(entry));
  changed();
}

void World::note(RequestNote note) {
  requests.push_back(std::move(note));
  if (requests.size() > kNotesMax) requests.pop_front();
}

void World::count_request(const std::string& service) {
  const auto& limit = workstations.quotas().requests_per_minute;
  if (!limit) return;
  auto& [minute, count] = minutes_[service];
  const std::int64_t current = base::to_unix_ms(now()) / 60'000;
  if (minute != current) {
    minute = current;
    count = 0;
  }
  if (count >= *limit) throw rate_exceeded(options.project, service, *limit);
  ++count;
}

WorldState World::state() const { return {workstations.state(), pubsub.state(), identity.state(), ledger.entries()}; }

}  // namespace slipway::simulator
