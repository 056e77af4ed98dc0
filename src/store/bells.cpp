#include "store/bells.h"

#include <algorithm>

namespace slipway::store {
namespace {

// More different words than anybody rings before they are sent.
constexpr std::size_t kRungMax = 1'000;

}  // namespace

class Listeners::Ear final : public Listening {
 public:
  Ear(std::shared_ptr<State> state, std::uint64_t number) : state_(std::move(state)), number_(number) {}
  ~Ear() override {
    const std::lock_guard lock(state_->mutex);
    state_->entries.erase(number_);
  }

 private:
  const std::shared_ptr<State> state_;
  const std::uint64_t number_;
};

std::unique_ptr<Listening> Listeners::add(std::string channel, Bell bell) {
  const std::lock_guard lock(state_->mutex);
  const std::uint64_t number = ++state_->last;
  state_->entries.emplace(number, Entry{std::move(channel), std::move(bell)});
  return std::make_unique<Ear>(state_, number);
}

void Listeners::call(std::string_view channel, std::string_view word) {
  const std::lock_guard lock(state_->mutex);
  for (const auto& [number, entry] : state_->entries)
    if (entry.channel == channel) entry.bell(word);
}

void Listeners::call_all(std::string_view word) {
  const std::lock_guard lock(state_->mutex);
  for (const auto& [number, entry] : state_->entries) entry.bell(word);
}

std::vector<std::string> Listeners::channels() const {
  std::vector<std::string> channels;
  const std::lock_guard lock(state_->mutex);
  for (const auto& [number, entry] : state_->entries) channels.push_back(entry.channel);
  std::ranges::sort(channels);
  channels.erase(std::unique(channels.begin(), channels.end()), channels.end());
  return channels;
}

void RungBells::add(std::string_view channel, std::string_view word) {
  SLIPWAY_ASSERT(word.size() <= kBellWordMax);
  const auto is_the_same = [&](const Rung& rung) { return rung.first == channel && rung.second == word; };
  if (rung_.size() < kRungMax && std::ranges::none_of(rung_, is_the_same)) rung_.emplace_back(channel, word);
}

LocalBells::LocalBells() : thread_([this] { run(); }) {}

LocalBells::~LocalBells() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

std::unique_ptr<Listening> LocalBells::listen(std::string channel, Bell bell) {
  return listeners_.add(std::move(channel), std::move(bell));
}

void LocalBells::ring(std::string_view channel, std::string_view word) {
  {
    const std::lock_guard lock(mutex_);
    rung_.add(channel, word);
  }
  wake_.notify_one();
}

void LocalBells::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || !rung_.empty(); });
    if (stopping_) return;
    const auto rung = rung_.take();
    lock.unlock();
    for (const auto& [channel, word] : rung) listeners_.call(channel, word);
    lock.lock();
  }
}

}  // namespace slipway::store
