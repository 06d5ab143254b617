use airshipctl::site::document::{DocumentSet, Source};
fn main() {
    let dir = std::env::args().nth(3).unwrap();
    match DocumentSet::read(&Source::Path(dir.into())) {
        Ok(set) => {
            for (i, d) in set.documents().iter().enumerate() {
                if i > 0 { println!("---"); }
                print!("{}", airshipctl::site::yaml::write(d.node()));
            }
        }
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(e.kind().exit_code().into());
        }
    }
}
