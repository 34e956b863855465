//! pim-operator.
fn main() {
    for c in pim_operator::api::crds::all() {
        println!("---\n{}", serde_saphyr::to_string(&c).unwrap());
    }
}
