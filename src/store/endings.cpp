#include "store/endings.h"

#include <algorithm>

namespace slipway::store {

void Endings::add(std::string name, Ending ending) {
  const auto has_name = [&](const Named& other) { return other.name == name; };
  SLIPWAY_ASSERT(std::ranges::none_of(endings_, has_name));
  endings_.push_back({std::move(name), std::move(ending)});
}

void LeftItems::leave(std::string_view ending, std::any item) {
  const auto found = std::ranges::find(endings_->endings_, ending, &Endings::Named::name);
  if (found == endings_->endings_.end())
    throw base::internal_error("this database has no ending '" + std::string(ending) + "'");
  if (items_.empty()) items_.resize(endings_->size());
  items_[std::size_t(found - endings_->endings_.begin())].push_back(std::move(item));
}

void LeftItems::take_from(LeftItems&& work) {
  if (work.items_.empty()) return;
  if (items_.empty()) items_.resize(work.items_.size());
  for (std::size_t i = 0; i < work.items_.size(); ++i) std::ranges::move(work.items_[i], std::back_inserter(items_[i]));
  work.items_.clear();
}

void LeftItems::run(Transaction& tx) const {
  for (std::size_t i = 0; i < items_.size(); ++i)
    if (!items_[i].empty()) endings_->endings_[i].ending(tx, items_[i]);
}

}  // namespace slipway::store
