#include "periprox/emulated/constant_data.hpp"

#include <cassert>
#include <utility>

namespace periprox::emulated {

struct ConstantData::Shelf final : PayloadOwner {
  explicit Shelf(std::vector<std::byte> content) : bytes(std::move(content)) {}

  void release(std::byte* /*data*/, std::uint32_t /*capacity*/,
               std::uint64_t /*tag*/) noexcept override {
    if (--lent == 0 && orphaned) delete this;
  }

  std::vector<std::byte> bytes;
  std::size_t lent = 0;
  bool orphaned = false;
};

ConstantData::ConstantData(std::vector<std::byte> bytes) : shelf_(new Shelf(std::move(bytes))) {}

ConstantData::~ConstantData() {
  shelf_->orphaned = true;
  if (shelf_->lent == 0) delete shelf_;
}

Bytes ConstantData::bytes() const { return shelf_->bytes; }

Payload ConstantData::lend(std::uint32_t count) {
  assert(count <= shelf_->bytes.size());
  if (count == 0) return {};
  ++shelf_->lent;
  return {*shelf_, shelf_->bytes.data(), count};
}

}  // namespace periprox::emulated
