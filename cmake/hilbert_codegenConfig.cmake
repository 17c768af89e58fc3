# find_package(hilbert_codegen HINTS <output of `hilbert-codegen cmake-dir`>)
include("${CMAKE_CURRENT_LIST_DIR}/hilbert_codegen.cmake")
set(hilbert_codegen_FOUND TRUE)
