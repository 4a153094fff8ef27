#include "juxmem/base/result.h"

#include <gtest/gtest.h>

namespace juxmem {
namespace {

TEST(ErrorText, DetailIsFollowedByTheCodesText) {
  EXPECT_EQ(to_string(Error{Code::kNotFound, "block 3:1"}), "block 3:1 (there is no such block)");
  EXPECT_EQ(to_string(Error{Code::kNotFound, {}}), "there is no such block");
}

TEST(ErrorText, TextIsNeverThereTwice) {
  const Error once{Code::kNotFound, "block 3:1"};
  EXPECT_EQ(to_string(Error{Code::kNotFound, to_string(once)}), to_string(once));
  EXPECT_EQ(to_string(Error{Code::kNotFound, "there is no such block"}), "there is no such block");
}

}  // namespace
}  // namespace juxmem
