#include "api/job_bells.h"

#include <boost/asio/post.hpp>

#include "fleet/job_queue.h"

namespace slipway::api {

JobBells::JobBells(net::IoContext& io, store::Database& database)
    : io_(io), database_(database), self_(std::make_shared<JobBells*>(this)) {
  listening_ =
      database_.listen(std::string(fleet::kJobBell), [&io, weak = std::weak_ptr(self_)](std::string_view word) {
        boost::asio::post(io, [weak, word = std::string(word)] {
          if (const auto self = weak.lock()) (*self)->hear(word);
        });
      });
}

net::Awaitable<void> JobBells::Bell::wait_for_more(std::uint64_t heard, base::Duration patience) {
  if (rung_ == heard) co_await signal_.wait_for(patience);
}

void JobBells::Bell::ring() {
  ++rung_;
  signal_.notify_all();
}

std::shared_ptr<JobBells::Bell> JobBells::bell(const std::string& word) {
  auto& slot = bells_[word];
  if (auto bell = slot.lock()) return bell;
  auto bell = std::shared_ptr<Bell>(new Bell(io_), [weak = std::weak_ptr(self_), word](Bell* gone) {
    delete gone;
    const auto self = weak.lock();
    if (!self) return;
    auto& bells = (*self)->bells_;
    if (const auto found = bells.find(word); found != bells.end() && found->second.expired()) bells.erase(found);
  });
  slot = bell;
  return bell;
}

void JobBells::ring(const std::string& word) {
  ring_here(word);
  database_.ring(fleet::kJobBell, word);
}

void JobBells::ring_here(const std::string& word) {
  if (word == fleet::kBellEnds && on_end_) on_end_();
  if (const auto found = bells_.find(word); found != bells_.end())
    if (const auto bell = found->second.lock()) bell->ring();
}

void JobBells::ring_all() {
  const auto bells = bells_;
  for (const auto& [word, weak] : bells)
    if (const auto bell = weak.lock()) bell->ring();
}

void JobBells::hear(const std::string& word) {
  if (!word.empty()) return ring_here(word);
  ring_all();
  if (on_end_) on_end_();
}

}  // namespace slipway::api
