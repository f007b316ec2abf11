"""CT: views of a turning tube and detector, measured, corrected and reconstructed."""
