//! No tenant can hurt another: what an ordinary editor of one namespace can try, against the whole operator on a real
//! control plane.

mod ownership;
