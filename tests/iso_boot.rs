use airshipctl::iso::{Findings, Image, boot};
#[test]
fn show() {
    for path in std::env::var("SHOW").unwrap().split_whitespace() {
        let image = Image::new(std::fs::File::open(path).unwrap()).unwrap();
        let mut findings = Findings::default();
        let read = boot::read(&image, None, &mut findings).unwrap();
        println!("== {path}\n{:#?}", read.partitions);
        for e in &read.entries {
            println!("{e:?}");
        }
        for e in &read.menu {
            println!("{e:?}");
        }
        for e in findings.list() {
            println!("{e:?}");
        }
    }
}
